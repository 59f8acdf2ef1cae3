// SPDX-License-Identifier: GPL-2.0-only

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
- if (get_user(tce, tces + i)) {
- 	ret = H_TOO_HARD;
- 	goto unlock_exit;
- }
- tce = be64_to_cpu(tce);
+ tce = be64_to_cpu(tces[i]);

// targets: arch/powerpc/kvm/book3s_64_vio.c
@ exists @ @@
  kvmppc_h_put_tce_indirect(...)
  {
  ...
  for (...; ...; ...) {
  <...
- goto unlock_exit;
+ goto free_exit;
  ...>
  }
  ...
  for (...; ...; ...) {
  <...
- goto unlock_exit;
+ goto free_exit;
  ...>
  }
+
+ free_exit:
+ kfree(tces);
  ...
  }

// targets: arch/powerpc/kvm/book3s_64_vio.c
@@ @@
  ret = kvmppc_tce_alloc(stt, entry, npages);
  if (ret != H_SUCCESS)
- 	goto unlock_exit;
+ 	goto free_exit;
