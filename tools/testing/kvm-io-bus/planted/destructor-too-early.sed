# The destructor runs while a vCPU may be in the device's callback
# file: io_bus_register.c
# caught by: interleave
/^void kvm_io_bus_unregister_dev/,/^}/s/synchronize_srcu_expedited(&kvm->srcu);//
