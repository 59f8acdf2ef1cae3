// SPDX-License-Identifier: GPL-2.0-only
// The task that ends an irqfd shuts it down. Others wait for that irqfd.

// targets: virt/kvm/eventfd.c
@@
identifier irqfd, kvm;
@@
  irqfd_shutdown(
-	struct work_struct *work
+	struct kvm_kernel_irqfd *irqfd
  )
  {
- 	struct kvm_kernel_irqfd *irqfd =
-		container_of(work, struct kvm_kernel_irqfd, shutdown);
  	struct kvm *kvm = irqfd->kvm;
  	...
  }

// targets: virt/kvm/eventfd.c
@@
identifier irqfd;
@@
  irqfd_deactivate(struct kvm_kernel_irqfd *irqfd)
  {
  	...
- 	queue_work(irqfd_cleanup_wq, &irqfd->shutdown);
+ 	list_add_tail(&irqfd->dying, &irqfd->kvm->irqfds.dying);
  }

// targets: virt/kvm/eventfd.c
@@
identifier irqfd;
@@
- if (irqfd_is_active(irqfd))
+ if (irqfd_is_active(irqfd)) {
  	irqfd_deactivate(irqfd);
+ 	queue_work(irqfd_cleanup_wq, &irqfd->shutdown);
+ }

// targets: virt/kvm/eventfd.c
@@
expression E;
@@
- INIT_WORK(E, irqfd_shutdown);
+ INIT_WORK(E, irqfd_shutdown_work);
