/**
 * The Lua of the sessions. All keys of a user are on one node. A session is a hash: device, attempt
 * (the last accepted), conn and edge (empty while nobody is connected), seen (last active, ms), since
 * (begun, ms), used, once anything was subscribed, and ended, when somebody has ended it; its
 * subscriptions are a hash of their own. The user's set has the ids, by the time until which each
 * lives. One that was never used lives for a short while only, renewed by the touches of its
 * connection, so that a crowd that only connects leaves nothing here.
 */

/** The set lives as long as the longest of its sessions. */
const LET_SET_LIVE = `
local function letSetLive(set, id, now, lifetime)
  redis.call('ZADD', set, now + lifetime, id)
  if redis.call('PTTL', set) < tonumber(lifetime) then redis.call('PEXPIRE', set, lifetime) end
end
`;

/**
 * KEYS: the session asked for, its subscriptions, the user's set, the new session. ARGV: id asked for
 * ("" for none), new id, attempt, device, conn, edge, now, lifetime ms, "1" where subscriptions are
 * kept, lifetime ms of one never used. Answers `stale`; or `new`; or `resumed`, the former conn and
 * edge, then the subscriptions.
 */
export const ACCEPT = `${LET_SET_LIVE}
local id, newId, attempt, device, conn, edge = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local now, lifetime = ARGV[7], ARGV[10]
local answer = { 'new' }
local key = KEYS[4]
if id ~= '' then
  local known = redis.call('HMGET', KEYS[1], 'device', 'attempt', 'conn', 'edge', 'ended', 'used')
  if known[1] and known[1] == device and not known[5] then
    if tonumber(attempt) <= tonumber(known[2]) then return { 'stale' } end
    answer = { 'resumed', known[3], known[4] }
    key, newId = KEYS[1], id
    if known[6] then lifetime = ARGV[8] end
    if ARGV[9] == '1' then
      for _, word in ipairs(redis.call('HGETALL', KEYS[2])) do answer[#answer + 1] = word end
      redis.call('PEXPIRE', KEYS[2], lifetime)
    else
      redis.call('DEL', KEYS[2])
    end
  end
end
if answer[1] == 'new' then attempt = '0' end
redis.call('HSET', key, 'device', device, 'attempt', attempt, 'conn', conn, 'edge', edge, 'seen', now)
redis.call('HSETNX', key, 'since', now)
redis.call('PEXPIRE', key, lifetime)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
letSetLive(KEYS[3], newId, now, lifetime)
return answer
`;

/** KEYS: session. ARGV: attempt, device. Answers 1 where that attempt would be refused. */
export const IS_STALE = `
local known = redis.call('HMGET', KEYS[1], 'device', 'attempt', 'ended')
if not known[1] or known[1] ~= ARGV[2] or known[3] then return 0 end
return tonumber(ARGV[1]) <= tonumber(known[2]) and 1 or 0
`;

/**
 * Many at a time. KEYS: of each, the session, its subscriptions, the user's set. ARGV: lifetime ms,
 * lifetime ms of one never used, then of each id, device, attempt, conn, edge, last active, begun, "1"
 * where it is still connected, "1" where it was used, "1" where all its subscriptions follow, and how many
 * follow; then those, or the ones that changed: conversation and start, "" where it is gone. Answers of
 * each `mine`, also where another stands there with a lower attempt: a promoted replica may never have
 * heard who came after it; `new`, where Redis did not know it, be it that it has lost it; `replaced` by a
 * newer connection; or `ended`.
 */
export const TOUCH = `${LET_SET_LIVE}
local at = 3
local function touch(key, subscriptions, set)
  local id, device, attempt, conn, edge = unpack(ARGV, at, at + 4)
  local seen, since, connected, used, whole, count = unpack(ARGV, at + 5, at + 10)
  local first = at + 11
  at = first + 2 * tonumber(count)
  local known = redis.call('HMGET', key, 'conn', 'ended', 'attempt', 'used')
  if known[2] then return 'ended' end
  if known[1] and known[1] ~= conn and known[1] ~= '' then
    if tonumber(known[3]) >= tonumber(attempt) then return 'replaced' end
  end
  if known[1] == '' and connected == '0' then return 'mine' end
  local lifetime = ARGV[2]
  if known[4] or used == '1' then
    redis.call('HSET', key, 'used', '1')
    lifetime = ARGV[1]
  end
  if connected == '0' then conn, edge = '', '' end
  redis.call('HSET', key, 'device', device, 'attempt', attempt, 'conn', conn, 'edge', edge,
    'seen', seen, 'since', since)
  redis.call('PEXPIRE', key, lifetime)
  if whole == '1' then redis.call('DEL', subscriptions) end
  for index = first, at - 1, 2 do
    if ARGV[index + 1] == '' then redis.call('HDEL', subscriptions, ARGV[index])
    else redis.call('HSET', subscriptions, ARGV[index], ARGV[index + 1]) end
  end
  redis.call('PEXPIRE', subscriptions, lifetime)
  letSetLive(set, id, seen, lifetime)
  return known[1] and 'mine' or 'new'
end
local answer = {}
for index = 1, #KEYS, 3 do
  answer[#answer + 1] = touch(KEYS[index], KEYS[index + 1], KEYS[index + 2])
end
return answer
`;

/** KEYS: session, its subscriptions, the user's set. ARGV: id, lifetime ms. Answers conn and edge. */
export const END = `
local known = redis.call('HMGET', KEYS[1], 'device', 'conn', 'edge', 'ended')
if not known[1] or known[4] then return false end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[1], 'ended', '1', 'conn', '', 'edge', '')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[1])
return { known[2], known[3] }
`;
