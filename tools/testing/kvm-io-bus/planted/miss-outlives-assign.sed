# What a vCPU has missed it misses for ever
# file: io_bus.c
# caught by: regress misses_known
/^static void doorbell_added/,/^}/s/kvm->doorbell_seq + 1/kvm->doorbell_seq/
