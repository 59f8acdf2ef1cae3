# Among equals the last one is asked first
# file: io_bus_ranges.c
# caught by: regress order_of_devices
s/seq_a < seq_b/seq_a > seq_b/
