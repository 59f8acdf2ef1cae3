# A node is changed in place, and its readers do not start again
# file: io_bus_index.h
# caught by: threads
s/unlikely(read_seqcount_retry(&index->seq, seq))/0/
