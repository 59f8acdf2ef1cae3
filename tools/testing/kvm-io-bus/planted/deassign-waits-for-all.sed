# Deassigning an ioeventfd waits for all vCPUs
# file: io_bus_register.c
# caught by: regress srcu_left_alone
/^int kvm_io_bus_unregister_ioeventfd/,/^}/s/kvm_ioeventfd_kill(ioeventfd);/synchronize_srcu_expedited(\&kvm->srcu); &/
