/** ssh2's optional native parts are for the machine they are built on; it has JavaScript for all they do. */
export function leaveOutNativeModules(builder: Bun.PluginBuilder): void {
  builder.onResolve({ filter: /(\.node|^cpu-features)$/ }, ({ path }) => ({ path, namespace: "native" }));
  builder.onLoad(
    { filter: /.*/, namespace: "native" },
    () => ({ contents: 'throw new Error("left out")', loader: "js" }),
  );
}
