/**
 * The Lua of the cursors. A bucket's marker names the run of the Redis that holds all of the bucket's
 * cursors; any other run, or none, means that what is missing here may have been acknowledged.
 */

const RUN_ID = `string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')`;

/** KEYS: holder's hash, marker. ARGV: conversation. Answers: 1 where nothing is missing, position. */
export const READ = `
local isWhole = redis.call('GET', KEYS[2]) == ${RUN_ID}
return { isWhole and 1 or 0, redis.call('HGET', KEYS[1], ARGV[1]) }
`;

/**
 * KEYS: holder's hash. ARGV: conversation, position, lifetime in ms, "1" where it comes from an
 * incarnation of the topic that is over. Positions of one epoch and partition are compared by their
 * last number: longer text is larger, then text order, so that 64-bit numbers never pass through
 * Lua's doubles. A lower one changes nothing, nor does one that is over, but where nothing is.
 */
export const MOVE_FORWARD = `
local old = redis.call('HGET', KEYS[1], ARGV[1])
if old then
  local oldPlace, oldOffset = string.match(old, '^(.*)%.(%d+)$')
  local newPlace, newOffset = string.match(ARGV[2], '^(.*)%.(%d+)$')
  if oldPlace ~= newPlace then
    if ARGV[4] == '1' then return 0 end
  elseif #oldOffset > #newOffset or (#oldOffset == #newOffset and oldOffset >= newOffset) then
    return 0
  end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

/**
 * KEYS: marker, builder. ARGV: token, lifetime in ms of the builder's claim. Answers the run id, or ""
 * where the bucket is whole or somebody else's to rebuild. Asked again, it prolongs the claim.
 */
export const BEGIN_REBUILD = `
local run = ${RUN_ID}
if redis.call('GET', KEYS[1]) == run then return '' end
local builder = redis.call('GET', KEYS[2])
if builder and builder ~= ARGV[1] then return '' end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return run
`;

/** KEYS: marker, builder. ARGV: token, run id. Answers 1 where the bucket is whole now. */
export const END_REBUILD = `
if redis.call('GET', KEYS[2]) ~= ARGV[1] or ${RUN_ID} ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], ARGV[2])
return 1
`;
