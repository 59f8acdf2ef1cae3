# A refused registration leaks its ioeventfd
# file: io_bus_register.c
# caught by: starve
/^int kvm_io_bus_register_ioeventfd/,/^}/{
/^	if (ret)$/d
s/^		kfree(ioeventfd);//
}
