# The link skips ranges that end a little later than this one
# file: io_bus_ranges.c
# caught by: random
s/outer = reaching(table, i - 1, last);/outer = reaching(table, i - 1, last + 8 < last ? last : last + 8);/
