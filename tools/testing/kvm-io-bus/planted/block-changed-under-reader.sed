# A block is changed in place, and its readers are not told
# file: io_bus_index.h
# caught by: interleave
s/unlikely(read_seqcount_retry(&block->seq, seq))/0/
