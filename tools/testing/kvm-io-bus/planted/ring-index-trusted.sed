# The index of the coalesced ring is believed, which userspace writes
# file: coalesced_mmio.c
# caught by: ring
s/insert >= KVM_COALESCED_MMIO_MAX/0/
