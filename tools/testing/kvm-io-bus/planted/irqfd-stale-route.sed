# An event is delivered outside of what a change of routes waits for
# file: irqfd.c
# caught by: irqfd no_arrival_by_old_routes
/^static void irqfd_signalled/,/^}/{
s/injected = kvm_arch_set_irq_inatomic/srcu_read_unlock(\&kvm->irq_srcu, idx); &/
s/^	srcu_read_unlock(&kvm->irq_srcu, idx);$//
}
