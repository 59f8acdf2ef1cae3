# The data of a write is loaded as if it were aligned
# file: ioeventfd_set.h
# caught by: regress split_store
s/get_unaligned((const u32 \*)val)/*(const u32 *)val/
