import net, { type Socket } from "node:net";
import { type ErrorKind, GpuError, LoginError, NotFoundError, UsageError } from "../errors.ts";
import { readJsonLines, writeJsonLine } from "./lines.ts";
import { Answer } from "./protocol.ts";
import { type PersonQuestion, UnansweredError } from "./question.ts";

/** Questions and answers over a control socket. */
export interface Connection extends Disposable {
  ask(method: string, parameters?: unknown): Promise<unknown>;
  readonly closed: Promise<void>;
}

/** Connects to the socket, or returns `undefined` where nobody listens. */
export async function connectControl(path: string): Promise<Connection | undefined> {
  const socket = net.connect(path);
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  return isOpen ? converse(socket) : undefined;
}

function converse(socket: Socket): Connection {
  const waiting = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  let isOver = false;
  const gone = () =>
    new GpuError("the background process ended before it answered", {
      hint: "try again: it is started when it is needed",
    });
  socket.on("error", () => {});
  const listen = async () => {
    for await (const line of readJsonLines(socket)) {
      const answer = Answer.parse(line);
      const asked = waiting.get(answer.id);
      waiting.delete(answer.id);
      if ("error" in answer) asked?.reject(errorOf(answer.error));
      else asked?.resolve(answer.result);
    }
  };
  const closed = listen().catch(() => socket.destroy()).then(() => {
    isOver = true;
    for (const { reject } of waiting.values()) reject(gone());
    waiting.clear();
  });
  return {
    closed,
    ask: (method, parameters) =>
      new Promise((resolve, reject) => {
        if (isOver) return reject(gone());
        const id = ++lastId;
        waiting.set(id, { resolve, reject });
        writeJsonLine(socket, { id, method, parameters });
      }),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

interface AnsweredError {
  readonly message: string;
  readonly hint?: string;
  readonly kind: ErrorKind;
  readonly question?: PersonQuestion;
}

function errorOf({ message, hint, kind, question }: AnsweredError): GpuError {
  if (question) return new UnansweredError(question);
  switch (kind) {
    case "usage":
      return new UsageError(message, { hint });
    case "login":
      return new LoginError(message, { hint });
    case "not-found":
      return new NotFoundError(message, { hint });
  }
  return new GpuError(message, { hint, kind });
}
