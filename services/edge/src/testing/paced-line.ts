import { type TcpNetConnectOpts, connect } from "node:net";
import { Duplex } from "node:stream";

const SIP_MS = 25;

/**
 * A client's line that takes at most so many bytes a second from the kernel, evenly. What it does
 * not take stays in the kernel's buffers, and then with the edge, as with a slow reader.
 */
export function pacedLine(options: TcpNetConnectOpts, bytesPerSec: number): Duplex {
  const socket = connect(options);
  const line = new Duplex({
    // Bytes come with the clock, however many are wanted.
    read: () => undefined,
    write: (chunk: Buffer, _, done) => {
      socket.write(chunk, done);
    },
    final: (done) => {
      socket.end(done);
    },
    destroy: (error, done) => {
      clearInterval(timer);
      socket.destroy();
      done(error);
    },
  });
  socket.on("connect", () => line.emit("connect"));
  socket.on("error", (error) => line.destroy(error));
  socket.on("close", () => line.destroy());
  socket.on("end", () => line.push(null));
  let allowance = 0;
  const timer = setInterval(() => {
    allowance = Math.min(allowance + (bytesPerSec * SIP_MS) / 1_000, Math.max(bytesPerSec, 1));
    if (allowance < 1) return;
    const there = socket.readableLength;
    // With nothing there a read of nothing asks the kernel for more.
    const wanted = there === 0 ? 0 : Math.min(there, Math.floor(allowance));
    const chunk = socket.read(wanted) as Buffer | null;
    if (chunk === null) return;
    allowance -= chunk.length;
    line.push(chunk);
  }, SIP_MS);
  return line;
}
