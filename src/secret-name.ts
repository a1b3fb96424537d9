/** Names of secrets of the user's own: as variables are written, so that none is taken for that of a provider. */
export const ownSecretPattern = /^[A-Z][A-Z0-9_]*$/;
