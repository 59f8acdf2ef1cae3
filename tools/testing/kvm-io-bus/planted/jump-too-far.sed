# A jump is taken whether or not all that it passes ends too early
# file: io_bus_ranges.c
# caught by: random
s/range_last(&table->ent\[range->jump\]) < last)/1)/
