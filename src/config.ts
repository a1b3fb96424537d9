export interface Config { readonly placeholder: true }
