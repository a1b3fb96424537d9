// Loaded before `main.ts` (`bun --preload`): on SIGUSR2 every TCP connection of the process is lost, as where a network is.
import { Socket } from "node:net";
import process from "node:process";

const open = new Set<Socket>();
const connect = Socket.prototype.connect;

Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
  this.once("connect", () => {
    if (this.remoteFamily?.startsWith("IPv") !== true) return;
    open.add(this);
    this.once("close", () => open.delete(this));
  });
  return Reflect.apply(connect, this, args);
} as typeof connect;

process.on("SIGUSR2", () => {
  process.stderr.write(`cut: ${open.size}\n`);
  for (const socket of open) socket.resetAndDestroy();
});
