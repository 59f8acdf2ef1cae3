# A refused registration leaks its doorbell
# file: io_bus.c
# caught by: starve
/^int kvm_io_bus_register_doorbell/,/^}/{
/^	if (ret)$/d
s/^		kfree(doorbell);//
}
