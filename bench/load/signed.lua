-- A different 1 KB JSON body in every request, signed with HMAC-SHA256 through the system's own libcrypto.
-- Arguments: path, secret, run (a number that keeps the keys of several runs apart), pause (milliseconds between an
-- answer and the next request of a connection; 0: as fast as it goes).
-- Templates are made once; each request copies one and writes its own id and random fields into it, in place, so that
-- the load generator costs little beside the server it measures.
local ffi = require('ffi')
local bit = require('bit')
ffi.cdef [[
  const void *EVP_sha256(void);
  unsigned char *HMAC(const void *evp, const void *key, int key_len, const unsigned char *d, size_t n, unsigned char *md, unsigned int *len);
]]
local crypto = ffi.load('libcrypto.so.3')
local digest = ffi.new('unsigned char[32]')
local length = ffi.new('unsigned int[1]')
local sha256 = crypto.EVP_sha256()

local BODY = 1024
local TEMPLATES = 64
local FIELD = '########' -- eight hex digits, random in every request
local SIGNATURE = string.rep('~', 64)
local hex = ffi.new('char[16]', '0123456789abcdef')

local buffer = ffi.new('unsigned char[4096]')
local templates = {}
local secret
local pause = 0
local count = 0
local state = 88172645

local function random()
  state = bit.bxor(state, bit.lshift(state, 13))
  state = bit.bxor(state, bit.rshift(state, 17))
  state = bit.bxor(state, bit.lshift(state, 5))
  return state
end

local function template(path, run)
  local names = { 'Ada', 'Grace', 'Linus', 'Margaret', 'Edsger', 'Barbara', 'Donald', 'Radia' }
  local cities = { 'Lisbon', 'Osaka', 'Quito', 'Tallinn', 'Accra', 'Bergen', 'Austin', 'Leipzig' }
  local function pick(list) return list[1 + bit.band(random(), 7)] end
  local items = {}
  for index = 1, 4 do
    items[index] = string.format('{"sku":"SKU-%s","title":"Article %d","quantity":%d,"price":{"amount":%d,"currency":"EUR"}}',
      FIELD, bit.band(random(), 4095), 1 + bit.band(random(), 7), bit.band(random(), 65535))
  end
  local text = string.format(
    '{"event":"order.created","id":"ord_%04d_@@@@@@@@","created":%d,"customer":{"id":"cus_%s","name":"%s","email":"%s@example.com","city":"%s"},"items":[%s],"payment":"%s%s","session":"%s%s","note":"',
    run, 1760000000 + bit.band(random(), 0xffffff), FIELD, pick(names), FIELD, pick(cities), table.concat(items, ','), FIELD, FIELD, FIELD, FIELD)
  local words = { 'please', 'leave', 'the', 'parcel', 'with', 'neighbour', 'ring', 'twice', 'before', 'noon', 'garden', 'gate' }
  while #text < BODY - 12 do text = text .. words[1 + bit.band(random(), 0x7fff) % #words] .. ' ' end
  text = text .. string.rep('.', BODY - 2 - #text) .. '"}'
  local whole = 'POST ' .. path .. ' HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nUser-Agent: bench\r\nX-Signature: '
    .. SIGNATURE .. '\r\nContent-Length: ' .. #text .. '\r\n\r\n' .. text
  local fields, at = {}, 1
  while true do
    local found = whole:find(FIELD, at, true)
    if not found then break end
    fields[#fields + 1] = found - 1
    at = found + #FIELD
  end
  return {
    bytes = whole,
    size = #whole,
    body = #whole - #text,
    signature = whole:find(SIGNATURE, 1, true) - 1,
    id = whole:find('@@@@@@@@', 1, true) - 1,
    fields = fields,
  }
end

local function write(at, value)
  for digit = 7, 0, -1 do
    buffer[at + digit] = hex[bit.band(value, 15)]
    value = bit.rshift(value, 4)
  end
end

-- Spread out, so that connections do not march in step.
function delay()
  return pause - 1 + bit.band(random(), 1) * 2
end

function init(args)
  secret = args[2]
  local run = tonumber(args[3])
  pause = tonumber(args[4] or '0')
  if pause == 0 then delay = nil end
  for _ = 1, run do random() end
  for index = 1, TEMPLATES do templates[index] = template(args[1], run) end
end

function request()
  count = count + 1
  local one = templates[1 + bit.band(count, TEMPLATES - 1)]
  ffi.copy(buffer, one.bytes, one.size)
  write(one.id, count)
  for index = 1, #one.fields do write(one.fields[index], random()) end
  crypto.HMAC(sha256, secret, #secret, buffer + one.body, one.size - one.body, digest, length)
  for index = 0, 31 do
    local byte = digest[index]
    buffer[one.signature + 2 * index] = hex[bit.rshift(byte, 4)]
    buffer[one.signature + 2 * index + 1] = hex[bit.band(byte, 15)]
  end
  return ffi.string(buffer, one.size)
end

function done(summary, latency)
  io.write(string.format('RESULT {"requests":%d,"durationUs":%d,"errors":%d,"non2xx":%d,"p50Us":%d,"p99Us":%d,"maxUs":%d}\n',
    summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout, summary.errors.status,
    latency:percentile(50), latency:percentile(99), latency.max))
end
