# Eight bytes are read of a write of four
# file: ioeventfd_set.h
# caught by: random
s/get_unaligned((const u32 \*)val)/(u32)get_unaligned((const u64 *)val)/
