-- Fails the build if the Lua that it just made reckons wrongly.

local function expect(what, got, wanted)
  if got ~= wanted then
    error(("%s: got %s, and not %s"):format(what, got, wanted))
  end
  print(("%s: %s"):format(what, got))
end

local function primes_below(limit)
  local composite, count = {}, 0
  for number = 2, limit - 1 do
    if not composite[number] then
      count = count + 1
      for multiple = number * number, limit - 1, number do
        composite[multiple] = true
      end
    end
  end
  return count
end

local function crc32(text)
  local crc = 0xFFFFFFFF
  for _, byte in ipairs({ text:byte(1, -1) }) do
    crc = crc ~ byte
    for _ = 1, 8 do
      crc = (crc >> 1) ~ (0xEDB88320 & -(crc & 1))
    end
  end
  return ("%08x"):format(crc ~ 0xFFFFFFFF)
end

-- Rabinowitz and Wagon's spigot: pi's decimals in integers alone.
local function pi_digits(count)
  local length = count * 10 // 3 + 1
  local remainders, digits, nines, held = {}, {}, 0, nil
  for place = 1, length do
    remainders[place] = 2
  end
  while #digits < count do
    local carry = 0
    for place = length, 1, -1 do
      local value = 10 * remainders[place] + carry * place
      local divisor = place == 1 and 10 or 2 * place - 1
      remainders[place] = value % divisor
      carry = value // divisor
    end
    if carry == 9 then
      nines = nines + 1
    else
      local over = carry == 10
      if held then
        digits[#digits + 1] = held + (over and 1 or 0)
      end
      for _ = 1, nines do
        digits[#digits + 1] = over and 0 or 9
      end
      held, nines = over and 0 or carry, 0
    end
  end
  return table.concat(digits, "", 1, count)
end

local function hanoi_moves(discs)
  local moves = coroutine.wrap(function()
    local function move(height, from, to, by)
      if height > 0 then
        move(height - 1, from, by, to)
        coroutine.yield(from, to)
        move(height - 1, by, to, from)
      end
    end
    move(discs, "a", "b", "c")
  end)
  local count = 0
  for _ in moves do
    count = count + 1
  end
  return count
end

expect("primes below 200000", primes_below(200000), 17984)
expect("CRC-32 of 123456789", crc32("123456789"), "cbf43926")
expect("pi", pi_digits(60), "314159265358979323846264338327950288419716939937510582097494")
expect("moves of 14 discs", hanoi_moves(14), 16383)
