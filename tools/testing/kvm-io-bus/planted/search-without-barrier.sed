# A search may see the bus as it was before what its guest has seen
# file: io_bus.c
# caught by: regress search_after_barrier
/^static __always_inline int offer/,/^}/s/smp_rmb();//
