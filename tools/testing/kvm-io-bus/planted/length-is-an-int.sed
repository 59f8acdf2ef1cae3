# A range is cut to 31 bits
# file: io_bus_register.c
# caught by: regress wide_zone
s/buses\[bus_idx\]\.ranges, addr, len, dev)/buses[bus_idx].ranges, addr, (int)len, dev)/
