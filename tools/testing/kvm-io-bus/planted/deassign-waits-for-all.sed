# Deassigning a doorbell waits for all vCPUs
# file: io_bus.c
# caught by: regress srcu_left_alone
/^int kvm_io_bus_unregister_doorbell/,/^}/s/kvm_io_doorbell_kill(doorbell);/synchronize_srcu_expedited(\&kvm->srcu); &/
