# A level-triggered irqfd is freed while an acknowledgment walks the list
# file: irqfd_resample.c
# caught by: irqfd irqfd_stays_under_reader
/^void kvm_irqfd_resample_detach/,/^}/s/synchronize_srcu_expedited(&kvm->irq_srcu);/;/
