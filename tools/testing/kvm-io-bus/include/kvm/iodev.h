/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef SHIM_KVM_IODEV_H
#define SHIM_KVM_IODEV_H

struct kvm_io_device;

struct kvm_io_device_ops {
	int (*read)(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
		    gpa_t addr, int len, void *val);
	int (*write)(struct kvm_vcpu *vcpu, struct kvm_io_device *dev,
		     gpa_t addr, int len, const void *val);
	void (*destructor)(struct kvm_io_device *dev);
};

struct kvm_io_device {
	const struct kvm_io_device_ops *ops;
};

static inline int kvm_iodevice_read(struct kvm_vcpu *vcpu,
				    struct kvm_io_device *dev, gpa_t addr,
				    int len, void *val)
{
	if (!dev->ops->read)
		return -EOPNOTSUPP;
	return dev->ops->read(vcpu, dev, addr, len, val);
}

static inline int kvm_iodevice_write(struct kvm_vcpu *vcpu,
				     struct kvm_io_device *dev, gpa_t addr,
				     int len, const void *val)
{
	if (!dev->ops->write)
		return -EOPNOTSUPP;
	return dev->ops->write(vcpu, dev, addr, len, val);
}

#endif /* SHIM_KVM_IODEV_H */
