// SPDX-License-Identifier: GPL-2.0-only

// targets: virt/kvm/eventfd.c
@@
@@
  void kvm_irq_routing_update(struct kvm *kvm)
  {
  	...
  	spin_lock_irq(&kvm->irqfds.lock);
+ 	kvm->irqfds.route_gen++;
  	...
  }
