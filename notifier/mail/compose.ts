// A letter as nodemailer takes it. The MIME encoding is nodemailer's, and so is the folding and quoting of headers;
// nothing that comes from outside is ever parsed as an address or read from a file or the web.

import type { SendMailOptions } from "nodemailer";
import type { Mail } from "./carrier.ts";

export function compose({ messageId, from, to, at, letter }: Mail): SendMailOptions {
  return {
    messageId,
    date: new Date(at),
    from: { ...from },
    to: { name: "", address: to },
    envelope: { from: from.address, to: [to] },
    subject: letter.subject,
    text: letter.text,
    html: letter.html,
    attachments: letter.attachments.map(({ filename, contentType, content, cid }) => ({
      filename,
      contentType,
      content,
      ...(cid === undefined ? {} : { cid, contentDisposition: "inline" as const }),
    })),
    // RFC 3834: no robot answers it.
    headers: { "Auto-Submitted": "auto-generated" },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}
