export interface Journal { readonly placeholder: true }
