// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
// Too little memory is no bug of the kernel
@@ @@
- WARN_ON_ONCE(!page);

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- if (!page) {
- 	if (!tce)
- 		return;
- 	page = kvm_spapr_get_tce_page(stt, sttpage);
- 	if (!page)
- 		return;
- }
- tbl = page_to_virt(page);
- tbl[idx % TCES_PER_PAGE] = tce;
+ /* Without a page the TCE is 0 and stays 0 */
+ if (page) {
+ 	tbl = page_to_virt(page);
+ 	tbl[idx % TCES_PER_PAGE] = tce;
+ }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvmppc_h_put_tce(...)
  {
  ...
  entry = ioba >> stt->page_shift;
+
+ if (tce) {
+ 	ret = kvmppc_tce_alloc(stt, entry, 1);
+ 	if (ret != H_SUCCESS)
+ 		goto unlock_exit;
+ }
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvmppc_h_put_tce_indirect(...)
  {
  ...
  for (...; ...; ...) {
  	...
  	ret = kvmppc_tce_validate(stt, tce);
  	if (ret != H_SUCCESS)
  		goto unlock_exit;
  }
+
+ ret = kvmppc_tce_alloc(stt, entry, npages);
+ if (ret != H_SUCCESS)
+ 	goto unlock_exit;
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
  if (tce_value & (TCE_PCI_WRITE | TCE_PCI_READ))
  	return H_PARAMETER;
+
+ if (tce_value) {
+ 	ret = kvmppc_tce_alloc(stt, ioba >> stt->page_shift, npages);
+ 	if (ret != H_SUCCESS)
+ 		return ret;
+ }
