// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvmppc_find_table };
type T;
@@
- static T f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- kvmppc_find_table
+ kvm_tce_find
  (...)

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvm_spapr_get_tce_page };
type T;
@@
- static T f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvm_spapr_tce_fault(...)
  {
  ...
- struct page *page;
+ u64 *page;
  ...
- get_page(page);
- vmf->page = page;
+ vmf->page = virt_to_page(page);
+ get_page(vmf->page);
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @
identifier stt, head;
@@
- release_spapr_tce_table(struct rcu_head *head)
+ release_spapr_tce_table(struct kvm_tce_table *stt)
  {
- struct kvm_tce_table *stt = container_of(head, struct kvm_tce_table, rcu);
  ...
- __free_page(stt->pages[i]);
+ free_page((unsigned long)stt->pages[i]);
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- call_rcu(&stt->rcu, release_spapr_tce_table);
+ release_spapr_tce_table(stt);

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- mutex_init(&stt->alloc_lock);

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
identifier f = { kvmppc_tce_put };
type T;
@@
- static T f(...) { ... }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@
expression E, F;
@@
- kvmppc_tce_put(stt, E, F);
+ kvm_tce_store(stt, E - stt->offset, F);

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvmppc_get_tce(...)
  {
  ...
- unsigned long idx;
- struct page *page;
- u64 *tbl;
  ...
- idx = (ioba >> stt->page_shift) - stt->offset;
- page = stt->pages[idx / TCES_PER_PAGE];
- if (!page) { ... }
- tbl = (u64 *)page_address(page);
- kvmppc_set_gpr(vcpu, 4, tbl[idx % TCES_PER_PAGE]);
+ kvmppc_set_gpr(vcpu, 4, kvm_tce_load(stt, (ioba >> stt->page_shift) - stt->offset));

  return H_SUCCESS;
  }
