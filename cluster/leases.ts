/** The locks by which the control plane elects its active controller manager and scheduler (seed, S17). */
export const leaseNames = ['kube-controller-manager', 'kube-scheduler'] as const;

export type LeaseName = (typeof leaseNames)[number];

/** Which host holds each lease. */
export type LeaseHolders = Readonly<Record<LeaseName, string>>;

/** The host in a holder identity such as `master01_0ba4eb7f-40af-4f88-b2d5-a41792c85a86`. */
export function hostOfHolder(identity: string): string {
  return identity.split('_')[0]?.split('.')[0] ?? identity;
}
