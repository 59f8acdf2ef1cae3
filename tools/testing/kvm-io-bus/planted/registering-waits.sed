# Registering a device waits for all vCPUs
# file: io_bus_register.c
# caught by: regress srcu_left_alone
/^int kvm_io_bus_register_dev/,/^}/s/smp_mb();/synchronize_srcu_expedited(\&kvm->srcu);/
