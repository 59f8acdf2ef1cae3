# What a vCPU has missed it misses for ever
# file: io_bus.c
# caught by: regress misses_known
/^static void ioeventfd_added/,/^}/s/kvm->ioeventfd_seq + 1/kvm->ioeventfd_seq/
