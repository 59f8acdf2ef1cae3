# An address leaves the index when its register is gone already
# file: io_bus.c
# caught by: interleave
/^int kvm_io_bus_unregister_doorbell/,/^}/{
s/kvm_io_index_remove(index, \&place);/kvm_io_register_free(reg);/
t
s/kvm_io_register_free(reg);/kvm_io_index_remove(index, \&place);/
}
