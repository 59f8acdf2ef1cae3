# A VM may have as many ioeventfds as it has memory for
# file: io_bus_register.c
# caught by: regress doorbells_at_most
s/if (kvm->nr_ioeventfds == KVM_MAX_IOEVENTFDS)/if (0)/
