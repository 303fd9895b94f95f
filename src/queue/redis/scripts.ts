/**
 * What Redis does at once: one script a batch, so that a batch costs one round trip, and with `appendfsync always` one
 * flush. All keys of a queue begin with the same hash tag.
 *
 * A channel is a stream with one group. All processes read under one consumer name: who holds a hint does not matter,
 * only for how long, and names of processes that are gone would stay in the group for ever.
 */

/** The one group of each stream, and its one consumer. */
const GROUP = 'holdfast';

/** The field of an entry that holds a hint. */
const FIELD = 'h';

/**
 * KEYS: the flag that somebody waits, then the stream of each hint. ARGV: lifetime of a stream in ms, the channel on
 * which waiting processes listen, then the hints. The flag is set in the very script that found nothing, so no hint
 * comes between looking and waiting. A user who may not publish has pushed all the same: who waits looks each second.
 */
export const PUSH = `
for at = 2, #KEYS do
  redis.call('XADD', KEYS[at], '*', '${FIELD}', ARGV[at + 1])
  if KEYS[at] ~= KEYS[at + 1] then redis.call('PEXPIRE', KEYS[at], ARGV[1]) end
end
if redis.call('EXISTS', KEYS[1]) == 1 then redis.pcall('PUBLISH', ARGV[2], '') end
return #KEYS - 1`;

/**
 * KEYS: the flag, then streams in the order in which they have their turn. ARGV: most entries in all; most of each
 * before all have had their turn; the visibility in ms, or 0 to look only at what nobody was given; how long to set the
 * flag when there is nothing, in ms, or 0; for each stream from which entry on to look for visibilities that ended: then
 * a hint that nobody ever acknowledges does not keep the others from being given again.
 * Answers stream (from 1), entry, hint ('' where the entry is not ours), and whether it is given again.
 * A stream without a group was made by a push, or made anew after the broker was wiped.
 */
export const PULL = `
local left, share, visibility = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local found = {}
local function add(at, entries, again)
  for _, entry in ipairs(entries) do
    if entry and entry[2] then
      local fields = entry[2]
      local ours = #fields == 2 and fields[1] == '${FIELD}'
      found[#found + 1] = { at - 1, entry[1], ours and fields[2] or '', again }
      left = left - 1
    end
  end
end
local function take(at, count)
  local read = { 'XREADGROUP', 'GROUP', '${GROUP}', '${GROUP}', 'COUNT', count, 'STREAMS', KEYS[at], '>' }
  local answer = redis.pcall(unpack(read))
  if answer and answer.err and string.find(answer.err, 'NOGROUP', 1, true) then
    if redis.call('EXISTS', KEYS[at]) == 0 then return end
    redis.call('XGROUP', 'CREATE', KEYS[at], '${GROUP}', '0')
    answer = redis.call(unpack(read))
  end
  if not answer then return end
  if answer.err then error(answer.err) end
  add(at, answer[1][2], 0)
end
local function takeEnded(at)
  local cursor, wrapped = ARGV[at + 3], ARGV[at + 3] == '0-0'
  for _ = 1, 50 do
    local answer = redis.pcall('XAUTOCLAIM', KEYS[at], '${GROUP}', '${GROUP}', visibility, cursor, 'COUNT', math.min(left, 100))
    if answer.err then return end
    add(at, answer[2], 1)
    cursor = answer[1]
    if left <= 0 or (cursor == '0-0' and wrapped) then return end
    wrapped = wrapped or cursor == '0-0'
  end
end
if visibility > 0 then
  for at = 2, #KEYS do if left > 0 then takeEnded(at) end end
end
for at = 2, #KEYS do if left > 0 then take(at, math.min(left, share)) end end
for at = 2, #KEYS do if left > 0 and #found > 0 then take(at, left) end end
if #found == 0 and tonumber(ARGV[4]) > 0 then redis.call('SET', KEYS[1], '1', 'PX', ARGV[4]) end
return found`;

/** KEYS: streams. ARGV: for each stream how many entries, then these. Deleted too, so that their memory goes. */
export const ACK = `
local at = 1
for stream = 1, #KEYS do
  local count = tonumber(ARGV[at])
  redis.call('XACK', KEYS[stream], '${GROUP}', unpack(ARGV, at + 1, at + count))
  redis.call('XDEL', KEYS[stream], unpack(ARGV, at + 1, at + count))
  at = at + count + 1
end
return #KEYS`;

/** KEYS: streams. Answers length and number of given entries, one after the other. */
export const DEPTH = `
local depths = {}
for at = 1, #KEYS do
  local pending = redis.pcall('XPENDING', KEYS[at], '${GROUP}')
  depths[#depths + 1] = redis.call('XLEN', KEYS[at])
  depths[#depths + 1] = pending.err and 0 or pending[1]
end
return depths`;
