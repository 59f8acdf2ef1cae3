# A split forgets one key
# file: io_bus_index.c
# caught by: regress index_in_any_order
s/node_set_nr(right, right->nr + nr);/node_set_nr(right, right->nr + nr - 1);/
