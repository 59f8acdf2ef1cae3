# A search may see the bus as it was before what its guest has seen
# file: io_bus.c
# caught by: regress search_after_barrier
/^int kvm_io_bus_write(/,/^}/s/smp_rmb();//
