// The one switch: a command and a state in, a decision out. Reads, never writes.

import { assertNever } from "../../shared/kernel/assert.ts";
import { decideAcceptOffer } from "./accept-offer.ts";
import { decideBlocking } from "./block.ts";
import { decideCancelBooking, decideClearShow } from "./cancel-booking.ts";
import type { ShowCommand } from "./command.ts";
import { accept, answer, type Decision, DONE, type TurnContext } from "./decision.ts";
import { decideExtendHold, decideReleaseHold } from "./hold-commands.ts";
import { decideCheckPayment, decideConfirmBooking, decideSettlePayment } from "./payment.ts";
import { decidePlaceHold } from "./place-hold.ts";
import { findBooking, isDecision } from "./replay.ts";
import type { ShowState } from "./state.ts";
import { decideUseTicket } from "./ticket.ts";
import {
  decideDeclineOffer,
  decideJoinWaitlist,
  decideLeaveWaitlist,
  decideLowerWaiter,
  decideReadWaiter,
} from "./waitlist-commands.ts";

/** What is due must have been settled before (see turn.ts). */
export function decide(state: ShowState, command: ShowCommand, context: TurnContext): Decision {
  switch (command.kind) {
    case "PlaceHold":
      return decidePlaceHold(state, command, context);
    case "ExtendHold":
      return decideExtendHold(state, command, context);
    case "ReleaseHold":
      return decideReleaseHold(state, command, context);
    case "ConfirmBooking":
      return decideConfirmBooking(state, command, context);
    case "SettlePayment":
      return decideSettlePayment(state, command, context);
    case "CheckPayment":
      return decideCheckPayment(state, command, context);
    case "CancelBooking":
      return decideCancelBooking(state, command, context);
    case "UseTicket":
      return decideUseTicket(state, command, context);
    case "ClearShow":
      return decideClearShow(state);
    case "ReadBooking": {
      const booking = findBooking(state, command, context);
      return isDecision(booking) ? booking : answer(booking, false);
    }
    case "JoinWaitlist":
      return decideJoinWaitlist(state, command, context);
    case "ReadWaiter":
      return decideReadWaiter(state, command, context);
    case "LowerWaiter":
      return decideLowerWaiter(state, command, context);
    case "LeaveWaitlist":
      return decideLeaveWaitlist(state, command, context);
    case "AcceptOffer":
      return decideAcceptOffer(state, command, context);
    case "DeclineOffer":
      return decideDeclineOffer(state, command, context);
    case "BlockSeats":
    case "UnblockSeats":
      return decideBlocking(state, command, context);
    case "ChangeTerms":
      // There is no way back from a cancelled show, however old the terms are that somebody read.
      return accept({
        kind: "TermsChanged",
        terms: { ...command.terms, cancelled: command.terms.cancelled || state.terms.cancelled },
      });
    case "MoveDeadlines":
      // Outages are numbered upwards: one that is not new has moved them already.
      if (command.outageId <= state.outageId) return DONE;
      return accept({ kind: "DeadlinesMoved", byMs: command.byMs, outageId: command.outageId });
    case "Tick":
      return DONE;
    default:
      return assertNever(command);
  }
}
