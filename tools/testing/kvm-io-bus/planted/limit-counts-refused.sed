# A registration that was refused counts towards the limit
# file: io_bus_register.c
# caught by: regress doorbells_at_most
/^int kvm_io_bus_register_ioeventfd/,/^}/s/mutex_unlock(&kvm->ioeventfd_lock);/kvm->nr_ioeventfds += ret == -EEXIST; &/
