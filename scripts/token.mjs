// Plain Node on purpose: a token can be made before anything is installed.
import { createHash, createPrivateKey, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

/** The issuer belongs to the checkout: every `npm start` of it accepts its tokens. */
const ISSUER_FOLDER = fileURLToPath(new URL("../.millrace/issuer/", import.meta.url));
const ISSUER_URL = "https://issuer.millrace.localhost";
const AUDIENCE = "millrace";
const TTL_S = 3600;
const DEFAULT_RIGHTS = ["room:*"];

/** A year: enough for any test, and no token that outlives its purpose by accident. */
const TTL_S_MAX = 366 * 24 * 3600;

/** In percent-encoded form; what docs/protocol.md allows for a user. */
const USER_ENCODED_BYTES_MAX = 90;

const USAGE = `npm run -s token -- USER [options]

Prints a JWT of the local development issuer, and nothing else.

  USER             the token's sub, for example alice
  --read PATTERN   what may be read: an exact id, a prefix ending in *, or * for all but the
                   reserved ones; repeatable; default 'room:*'
  --write PATTERN  what may be written; the same
  --scope SCOPE    what else its bearer may do, as words: 'millrace:admin' for operators
  --ttl SECONDS    how long it is valid; default ${TTL_S}
  --aud AUDIENCE   default ${AUDIENCE}
  --iss ISSUER     default ${ISSUER_URL}
  --data DIR       the folder that npm start was given; the key is the same for all of them
  --help           this text`;

/** Bad input from the command line or a caller; the message says what is wrong. */
export class TokenUsageError extends Error {
  name = "TokenUsageError";
}

/**
 * The development issuer, made on its first use. Of several processes that make it at once, all
 * get the key that was first in place.
 */
export function ensureIssuer({ folder = ISSUER_FOLDER } = {}) {
  const keyFile = join(folder, "key.pem");
  const privateKey = createPrivateKey(readKey(keyFile) ?? makeKey(keyFile));
  const { kty, crv, x, y } = privateKey.export({ format: "jwk" });
  // The thumbprint of RFC 7638: members in the order of the alphabet, without spaces.
  const thumbprint = createHash("sha256").update(JSON.stringify({ crv, kty, x, y }));
  const kid = thumbprint.digest("base64url");
  const jwk = { kty, crv, x, y, kid, alg: "ES256", use: "sig" };
  const jwksFile = join(folder, "jwks.json");
  writeWhereDifferent(jwksFile, `${JSON.stringify({ keys: [jwk] }, undefined, 2)}\n`);
  return { url: ISSUER_URL, jwks: jwksFile, kid, privateKey };
}

/** Signs an access token (RFC 9068) as the development issuer. */
export function signToken({
  user,
  read = DEFAULT_RIGHTS,
  write = DEFAULT_RIGHTS,
  scope,
  ttlS = TTL_S,
  audience = AUDIENCE,
  issuer = ISSUER_URL,
  nowMs = Date.now(),
  issuerFolder = ISSUER_FOLDER,
}) {
  checkUser(user);
  for (const pattern of [...read, ...write]) checkPattern(pattern);
  if (scope !== undefined) checkScope(scope);
  const { kid, privateKey } = ensureIssuer({ folder: issuerFolder });
  const iat = Math.floor(nowMs / 1000);
  const header = { alg: "ES256", typ: "at+jwt", kid };
  const rights = { read, write };
  const times = { iat, nbf: iat, exp: iat + ttlS };
  const claims = { iss: issuer, aud: audience, sub: user, ...times, jti: randomUUID() };
  const body = { ...claims, ...(scope !== undefined && { scope }), millrace: rights };
  const input = `${base64url(header)}.${base64url(body)}`;
  const signature = sign("sha256", Buffer.from(input), {
    key: privateKey,
    // JWS wants r and s side by side (RFC 7518 §3.4), not the DER that OpenSSL makes.
    dsaEncoding: "ieee-p1363",
  });
  return `${input}.${signature.toString("base64url")}`;
}

function readKey(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw new Error(`the issuer's key cannot be read: ${file}`, { cause: error });
  }
}

function makeKey(file) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}.${randomUUID()}`;
  writeFileSync(draft, privateKey.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  try {
    // A link, unlike a rename, never replaces a key that another process has put there.
    linkSync(draft, file);
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readFileSync(file, "utf8");
}

function writeWhereDifferent(file, text) {
  try {
    if (readFileSync(file, "utf8") === text) return;
  } catch {
    // Not there yet, or not readable: it is written anew.
  }
  const draft = `${file}.${process.pid}.${randomUUID()}`;
  writeFileSync(draft, text);
  renameSync(draft, file);
}

function checkUser(user) {
  const isText = typeof user === "string" && user !== "" && user.isWellFormed();
  if (!isText) throw new TokenUsageError("a user is needed, for example: alice");
  if (encodeURIComponent(user).length > USER_ENCODED_BYTES_MAX) {
    throw new TokenUsageError(
      `the user is longer than ${USER_ENCODED_BYTES_MAX} bytes in percent-encoded form`,
    );
  }
}

function checkPattern(pattern) {
  const star = typeof pattern === "string" ? pattern.indexOf("*") : -1;
  if (pattern === "" || (star !== -1 && star !== pattern.length - 1)) {
    throw new TokenUsageError(
      `"${pattern}" is no pattern: an exact id, a prefix ending in *, or * is needed`,
    );
  }
}

/** RFC 6749 §3.3: words of printable ASCII without quotes and backslashes, one space between them. */
function checkScope(scope) {
  const isScope = typeof scope === "string" && /^[!#-[\]-~]+( [!#-[\]-~]+)*$/.test(scope);
  if (!isScope) {
    throw new TokenUsageError(
      `"${scope}" is no scope: words with one space between them are needed`,
    );
  }
}

function base64url(value) {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

const text = { type: "string" };
const texts = { type: "string", multiple: true };
const OPTIONS = {
  read: texts,
  write: texts,
  scope: text,
  ttl: text,
  aud: text,
  iss: text,
  data: text,
};

/** What the command line asks for. */
function parseCommand(args) {
  const help = { type: "boolean", short: "h" };
  let parsed;
  try {
    parsed = parseArgs({ args, options: { ...OPTIONS, help }, allowPositionals: true });
  } catch (error) {
    throw new TokenUsageError(error.message, { cause: error });
  }
  const { values, positionals } = parsed;
  if (values.help) return { help: true };
  if (positionals.length > 1) {
    throw new TokenUsageError(`one user is needed, not ${positionals.length}`);
  }
  return {
    help: false,
    user: positionals[0],
    read: values.read,
    write: values.write,
    scope: values.scope,
    ttlS: values.ttl === undefined ? undefined : parseTtl(values.ttl),
    audience: values.aud,
    issuer: values.iss,
  };
}

function parseTtl(ttl) {
  const seconds = Number(ttl);
  if (/^\d+$/.test(ttl) && seconds >= 1 && seconds <= TTL_S_MAX) return seconds;
  throw new TokenUsageError(`--ttl ${ttl}: whole seconds from 1 to ${TTL_S_MAX} are needed`);
}

function main(args) {
  try {
    const command = parseCommand(args);
    process.stdout.write(`${command.help ? USAGE : signToken(command)}\n`);
  } catch (error) {
    if (error instanceof TokenUsageError) {
      process.stderr.write(`${error.message}\n\n${USAGE}\n`);
      process.exitCode = 2;
    } else {
      process.stderr.write(`${error.message}\n`);
      process.exitCode = 1;
    }
  }
}

const [, script = ""] = process.argv;
if (import.meta.url === pathToFileURL(script).href) main(process.argv.slice(2));
