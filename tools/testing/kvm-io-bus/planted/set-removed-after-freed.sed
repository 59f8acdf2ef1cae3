# An address leaves the index when its register is gone already
# file: io_bus_register.c
# caught by: interleave
/^int kvm_io_bus_unregister_ioeventfd/,/^}/{
s/kvm_io_index_remove(index, \&place);/kvm_ioeventfd_set_free(set);/
t
s/kvm_ioeventfd_set_free(set);/kvm_io_index_remove(index, \&place);/
}
