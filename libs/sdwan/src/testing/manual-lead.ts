import type { LeadNews } from '#processing';

/** Whether a platform process leads, as a test wants it. Only the newest life of the process listens. */
export class ManualLead implements LeadNews {
  private leads = true;
  private tell: (leads: boolean) => void = () => undefined;

  onLead(listener: (leads: boolean) => void): void {
    this.tell = listener;
    listener(this.leads);
  }

  set(leads: boolean): void {
    this.leads = leads;
    this.tell(leads);
  }
}
