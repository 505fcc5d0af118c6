//! Enums with a word for each variant. The words are those of the database, the API and the log, which no rename in the code may change.

/// An enum, its word of each variant (`Variant = "word"`), `ALL` and `as_str`. Both are constant, and none can miss a variant.
macro_rules! words {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[$of_variant:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$attribute])*
        $visibility enum $name {
            $($(#[$of_variant])* $variant,)+
        }

        impl $name {
            /// Every one, in order.
            #[allow(dead_code, reason = "not every enum is walked")]
            $visibility const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];

            /// Its word.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

pub(crate) use words;
