// SPDX-License-Identifier: GPL-2.0-only
// All VMs are searched, not this one alone.
// bases: before 7.2

// targets: virt/kvm/eventfd.c
@@
iterator name list_for_each_entry;
identifier irqfd, tmp, kvm, fail;
statement S;
@@
- struct kvm_kernel_irqfd *tmp;
  ...
- spin_lock_irq(&kvm->irqfds.lock);
-
- ret = 0;
- list_for_each_entry(tmp, &kvm->irqfds.items, list) {
- 	if (irqfd->eventfd != tmp->eventfd)
- 		continue;
- 	ret = -EBUSY;
- 	spin_unlock_irq(&kvm->irqfds.lock);
- 	goto fail;
- }
+ ret = irqfd_bind(irqfd);
+ if (ret)
+ 	goto fail;
+ spin_lock_irq(&kvm->irqfds.lock);
