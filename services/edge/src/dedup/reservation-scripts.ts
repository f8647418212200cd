/**
 * The Lua of the reservations: each is one atomic step in Redis, on keys of one partition (one hash
 * tag). An entry is
 *
 *     p <token> <lease end, ms by Redis' clock> <log end when reserved>     pending
 *     f <position> <append time>                                            final
 *
 * The marker says since when the entries of the partition are all there: `<run id> <ms>`. Another run
 * id means that this Redis has started anew, or is another one: what it does not have may have been.
 */

/**
 * KEYS: marker, entries that become final, entries to reserve. ARGV: lease ms, lifetime ms, "1" where
 * keys were used that Redis knows nothing of, log end, how many become final, for each of those its
 * token, position and append time, then a token for each entry to reserve.
 * Answers: since when all entries are there, how many ms that is ago, then for each entry to reserve `m` (mine now), `f …`, `h`
 * (held by another), or `o <token> <log end>` (its holder is gone).
 */
export const RESERVE = `
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local marker = redis.call('GET', KEYS[1])
local markedRun, since
if marker and ARGV[3] == '0' then markedRun, since = string.match(marker, '^(%x+) (%d+)$') end
if markedRun ~= run then
  since = string.format('%.0f', now)
  redis.call('SET', KEYS[1], run .. ' ' .. since)
end
local finals = tonumber(ARGV[5])
for index = 1, finals do
  local key, at = KEYS[index + 1], 3 + 3 * index
  local entry = redis.call('GET', key)
  -- A final place is also true in a Redis that has forgotten the reservation.
  if not entry or string.match(entry, '^p (%S+) ') == ARGV[at] then
    redis.call('SET', key, 'f ' .. ARGV[at + 1] .. ' ' .. ARGV[at + 2], 'PX', ARGV[2])
  end
end
local lease = string.format('%.0f', now + tonumber(ARGV[1]))
local answer = { since, now - tonumber(since) }
for index = finals + 2, #KEYS do
  local token = ARGV[index + 2 * finals + 4]
  local mine = 'p ' .. token .. ' ' .. lease .. ' ' .. ARGV[4]
  local entry = redis.call('GET', KEYS[index])
  if not entry then
    redis.call('SET', KEYS[index], mine, 'PX', ARGV[2])
    answer[#answer + 1] = 'm'
  elseif string.sub(entry, 1, 1) == 'f' then
    answer[#answer + 1] = entry
  else
    local holder, untilMs, logEnd = string.match(entry, '^p (%S+) (%d+) (%S+)$')
    if holder == token then answer[#answer + 1] = 'm'
    elseif tonumber(untilMs) > now then answer[#answer + 1] = 'h'
    else answer[#answer + 1] = 'o ' .. holder .. ' ' .. logEnd end
  end
end
return answer
`;

/**
 * KEYS: entry. ARGV: the token that must hold it, "1" where a missing entry will do, lifetime ms, and
 * what it becomes: `d` (nothing), `f`, position, append time; or `p`, token, lease ms, log end.
 * Answers 1 when it became that.
 */
export const EXCHANGE = `
local entry = redis.call('GET', KEYS[1])
local holder = entry and string.match(entry, '^p (%S+) ')
if not (holder == ARGV[1] or (not entry and ARGV[2] == '1')) then return 0 end
if ARGV[4] == 'd' then
  redis.call('DEL', KEYS[1])
elseif ARGV[4] == 'f' then
  redis.call('SET', KEYS[1], 'f ' .. ARGV[5] .. ' ' .. ARGV[6], 'PX', ARGV[3])
else
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local lease = string.format('%.0f', now + tonumber(ARGV[6]))
  redis.call('SET', KEYS[1], 'p ' .. ARGV[5] .. ' ' .. lease .. ' ' .. ARGV[7], 'PX', ARGV[3])
end
return 1
`;
