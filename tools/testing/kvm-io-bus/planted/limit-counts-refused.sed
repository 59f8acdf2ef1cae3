# A registration that was refused counts towards the limit
# file: io_bus.c
# caught by: regress doorbells_at_most
/^int kvm_io_bus_register_doorbell/,/^}/s/mutex_unlock(&kvm->doorbell_lock);/kvm->nr_doorbells += ret == -EEXIST; &/
