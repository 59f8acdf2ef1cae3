# A split forgets one address
# file: io_bus_index.c
# caught by: regress index_in_any_order
s/block_append(high, old, mid, old->nr)/block_append(high, old, mid + 1, old->nr)/
