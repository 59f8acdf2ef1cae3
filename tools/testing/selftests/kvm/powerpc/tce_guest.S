/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest. It runs in guest real mode at any address, with r29 pointing to its
 * struct guest_ctl. It does one job, tells the host, and does the next job.
 *
 * PR KVM in a guest does not get "sc 1", which goes to the outer hypervisor. The
 * host then replaces each "sc 1" by an instruction that PR KVM emulates.
 */

#define CTL_JOB		0
#define CTL_COUNT	8
#define CTL_PTR		16
#define CTL_ARG		24	/* r3 to r7 */
#define CTL_STEP	64	/* added to r5 after each call */
#define CTL_TICKS	72
#define CTL_FAILED	80	/* calls that did not return 0 */
#define CTL_STOP	88
#define CTL_DONE	96	/* calls made, or rounds */

	.section .rodata
	.balign 8
	.globl guest_code
guest_code:
next_job:
	ld	28, CTL_JOB(29)
	cmpdi	28, 1
	beq	bench
	cmpdi	28, 2
	beq	scribble

	/* Job 0: COUNT hcalls, each with its arguments and results at PTR */
	ld	31, CTL_COUNT(29)
	ld	30, CTL_PTR(29)
1:	cmpdi	31, 0
	beq	done
	ld	3, 0(30)
	ld	4, 8(30)
	ld	5, 16(30)
	ld	6, 24(30)
	ld	7, 32(30)
	sc	1
	std	3, 40(30)
	std	4, 48(30)
	addi	30, 30, 64
	addi	31, 31, -1
	b	1b

	/* Job 1: the same hcall COUNT times or until STOP, with r5 stepping */
bench:
	ld	31, CTL_COUNT(29)
	ld	28, CTL_ARG(29)
	ld	27, CTL_ARG + 8(29)
	ld	26, CTL_ARG + 16(29)
	ld	25, CTL_ARG + 24(29)
	ld	24, CTL_ARG + 32(29)
	ld	23, CTL_STEP(29)
	li	22, 0			/* failed */
	li	21, 0			/* made */
	mftb	20
2:	mr	3, 28
	mr	4, 27
	mr	5, 26
	mr	6, 25
	mr	7, 24
	sc	1
	add	26, 26, 23
	addi	21, 21, 1
	cmpdi	3, 0
	beq	3f
	addi	22, 22, 1
3:	ld	0, CTL_STOP(29)
	cmpdi	0, 0
	bne	4f
	cmpd	21, 31
	blt	2b
4:	mftb	19
	subf	19, 20, 19
	std	19, CTL_TICKS(29)
	std	22, CTL_FAILED(29)
	std	21, CTL_DONE(29)
	b	done

	/* Job 2: until STOP, store ARG[0] to COUNT doublewords at PTR, then ARG[1] */
scribble:
	li	21, 0
5:	ld	28, CTL_ARG(29)
	andi.	0, 21, 1
	beq	6f
	ld	28, CTL_ARG + 8(29)
6:	ld	31, CTL_COUNT(29)
	ld	30, CTL_PTR(29)
7:	std	28, 0(30)
	addi	30, 30, 8
	addi	31, 31, -1
	cmpdi	31, 0
	bgt	7b
	addi	21, 21, 1
	std	21, CTL_DONE(29)
	ld	0, CTL_STOP(29)
	cmpdi	0, 0
	beq	5b

	/* An hcall number that no kernel knows: it exits to userspace */
done:
	li	3, 0
	ori	3, 3, 0xf008
	sc	1
	b	next_job

	.globl guest_code_end
guest_code_end:

	.section .note.GNU-stack, "", @progbits
