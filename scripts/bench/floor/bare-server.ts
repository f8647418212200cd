import uWS from "uWebSockets.js";

/**
 * The least that a WebSocket server can do for the bench's clients: no log, no rights, no answer
 * about anything but the protocol's happy path. What is due to a socket waits until the end of the
 * turn and leaves in one cork, which is also the edge's plan; so the distance between the two is
 * what everything else costs.
 */

interface Client {
  readonly due: Uint8Array[];
  isDue: boolean;
  ws?: uWS.WebSocket<Client>;
}

const PROTOCOL = "millrace.v1.json";
const EPOCH = "AAAAAAAA";
const HEAD_BYTES = 16;
const BODY_FIELD = ',"body":';
const BACKPRESSURE_MAX = 16_777_216;

const WELCOME = Buffer.from('{"t":"welcome"}');

const rooms = new Map<string, { readonly members: Set<Client>; messages: number }>();
const dueClients: Client[] = [];

function send(client: Client, frame: Uint8Array): void {
  client.due.push(frame);
  if (client.isDue) return;
  client.isDue = true;
  if (dueClients.push(client) === 1) setImmediate(flush);
}

function flush(): void {
  const clients = dueClients.splice(0);
  for (const client of clients) client.ws?.cork(() => write(client));
}

function write(client: Client): void {
  client.isDue = false;
  for (const frame of client.due) client.ws?.send(frame, false, false);
  client.due.length = 0;
}

function roomOf(name: string) {
  let room = rooms.get(name);
  if (room === undefined) rooms.set(name, (room = { members: new Set(), messages: 0 }));
  return room;
}

function onText(client: Client, text: string): void {
  // By its place alone: `{"t":"pub","id":1000000,"c":"room:…","body":"…","key":"…"}`.
  const id = text.slice(text.indexOf('"id":') + 5, text.indexOf(',"c"'));
  const nameAt = text.indexOf('"c":"') + 5;
  const name = text.slice(nameAt, text.indexOf('"', nameAt));
  if (text.startsWith('{"t":"sub"')) subscribe(client, name, id);
  else publish(client, { name, id, rest: text.slice(text.indexOf(BODY_FIELD)) });
}

function subscribe(client: Client, name: string, id: string): void {
  const room = roomOf(name);
  room.members.add(client);
  const pos = `${EPOCH}.0.${room.messages}`;
  const answer = { t: "subd", id: Number(id), c: name, pos, head: pos };
  send(client, Buffer.from(JSON.stringify(answer)));
  send(client, Buffer.from(JSON.stringify({ t: "live", c: name, pos })));
}

function publish(
  client: Client,
  { name, id, rest }: { readonly name: string; readonly id: string; readonly rest: string },
): void {
  const room = roomOf(name);
  const prev = `${EPOCH}.0.${room.messages}`;
  const pos = `${EPOCH}.0.${++room.messages}`;
  const ts = Date.now();
  const messageId = "0".repeat(HEAD_BYTES * 2 + 4);
  const head = `{"t":"msg","c":"${name}","pos":"${pos}","prev":"${prev}","id":"${messageId}"`;
  const from = `,"from":"bench-0000","ts":${ts},"type":"text/plain"`;
  const frame = Buffer.from(`${head}${from}${rest}`);
  for (const member of room.members) send(member, frame);
  send(client, Buffer.from(`{"t":"pubd","id":${id},"c":"${name}","pos":"${pos}","ts":${ts}}`));
}

const app = uWS.App();
app.ws<Client>("/v1/connect", {
  compression: uWS.DISABLED,
  maxBackpressure: BACKPRESSURE_MAX,
  idleTimeout: 60,
  sendPingsAutomatically: true,
  upgrade: (response, request, context) => {
    const key = request.getHeader("sec-websocket-key");
    response.upgrade<Client>({ due: [], isDue: false }, key, PROTOCOL, "", context);
  },
  open: (ws) => {
    const client = ws.getUserData();
    client.ws = ws;
    send(client, WELCOME);
  },
  message: (ws, message) => onText(ws.getUserData(), Buffer.from(message).toString()),
  close: (ws) => {
    const client = ws.getUserData();
    delete client.ws;
    for (const { members } of rooms.values()) members.delete(client);
  },
});
app.get("/", (response) => {
  response.end("serving");
});
app.listen("127.0.0.1", Number(process.argv[2]), (token) => {
  if (token === false) process.exitCode = 1;
});
