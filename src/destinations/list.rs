//! From the list of destinations to what is made of all of them.

/// Each line is the name of a destination and its type. In `each` stand those of which the configuration names as many as it likes.
macro_rules! destinations {
    (
        one { $($(#[$attribute:meta])* $name:ident: $destination:ty,)* }
        each { $($each:ident: $one:ty,)* }
    ) => {
        impl Rows {
            /// Those of every destination that needs no name, in the order of the list.
            pub(crate) const ALL: &[Self] = &[$($(#[$attribute])* <$destination as Listed>::ROWS,)*];
        }

        /// What the configuration says of each destination.
        #[cfg_attr(test, derive(Default))]
        pub(crate) struct Settings {
            $($(#[$attribute])* pub(crate) $name: <$destination as Listed>::Settings,)*
            $(pub(crate) $each: Vec<<$one as Listed>::Settings>,)*
        }

        impl Settings {
            /// Reads those of each destination in turn.
            pub(crate) fn read(sources: &mut Sources<'_, '_>) -> Self {
                Self {
                    $($(#[$attribute])* $name: DestinationSettings::read(sources),)*
                    $($each: DestinationSettings::read(sources),)*
                }
            }

            /// Every URL that is called.
            pub(crate) fn urls(&self) -> Vec<Url<'_>> {
                let mut urls = Vec::new();
                $($(#[$attribute])* urls.extend(self.$name.urls());)*
                $(urls.extend(self.$each.urls());)*
                urls
            }

            /// What is not set, though something else needs it.
            pub(crate) fn lacks(&self) -> Vec<Lack> {
                let mut lacks = Vec::new();
                $($(#[$attribute])* lacks.extend(self.$name.lacks());)*
                $(lacks.extend(self.$each.lacks());)*
                lacks
            }

            /// What those that are on need of the keys.
            pub(crate) fn key_needs(&self) -> Vec<KeyNeeds> {
                let mut needs = Vec::new();
                $($(#[$attribute])* needs.extend(self.$name.key_needs());)*
                $(needs.extend(self.$each.key_needs());)*
                needs
            }
        }

        /// Every destination of a gateway, also those that no entry goes to because their URL is not set.
        pub(crate) struct Destinations {
            $($(#[$attribute])* pub(crate) $name: Arc<$destination>,)*
            $(pub(crate) $each: Vec<Arc<$one>>,)*
        }

        impl Destinations {
            /// Nothing is called yet.
            pub(crate) fn new(settings: Settings, tools: &Tools) -> Self {
                Self {
                    $($(#[$attribute])* $name: Arc::new(Listed::new(settings.$name, tools)),)*
                    $($each: settings.$each.into_iter().map(|one| Arc::new(Listed::new(one, tools))).collect(),)*
                }
            }

            /// All of them, in the order of the list.
            #[allow(clippy::vec_init_then_push, reason = "a line of the list may be there in tests alone")]
            pub(crate) fn all(&self) -> Vec<Arc<dyn Destination>> {
                let mut all: Vec<Arc<dyn Destination>> = Vec::new();
                $($(#[$attribute])* all.push(Arc::<$destination>::clone(&self.$name));)*
                $(all.extend(self.$each.iter().map(|one| Arc::<$one>::clone(one) as Arc<dyn Destination>));)*
                all
            }
        }
    };
}
